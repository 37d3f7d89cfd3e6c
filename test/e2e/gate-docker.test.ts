import { gateCases } from '../support/gate-cases.ts';
import { dockerClient } from '../support/gate-clients/docker.ts';

gateCases(dockerClient('docker'));
gateCases(dockerClient('docker-20'), ['docker-registry']);
