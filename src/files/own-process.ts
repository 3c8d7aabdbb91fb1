/** What files need to know of the process that uses them. */
export interface OwnProcess {
  pid: number;
  /** The user that it runs as; null where the platform has none. */
  uid: number | null;
}
