/** What ends the plugin with docker's own words and status: 1, or 125 for flags that docker does not know. */
export class TrustFailure extends Error {
  readonly status: number;
  /** What mends it, where docker does not say: a line of ours behind docker's own. */
  readonly next: string | null;

  constructor(message: string, status = 1, next: string | null = null) {
    super(message);
    this.name = 'TrustFailure';
    this.status = status;
    this.next = next;
  }
}
