/** What ends the plugin with docker's own words and status: 1, or 125 for flags that docker does not know. */
export class TrustFailure extends Error {
  readonly status: number;

  constructor(message: string, status = 1) {
    super(message);
    this.name = 'TrustFailure';
    this.status = status;
  }
}
