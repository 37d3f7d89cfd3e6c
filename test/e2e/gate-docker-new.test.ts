import { gateCases } from '../support/gate-cases.ts';
import { newDockerClient } from '../support/gate-clients/docker.ts';

gateCases(newDockerClient, ['docker-registry']);
