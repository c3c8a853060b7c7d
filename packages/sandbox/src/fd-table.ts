/** Gives each descriptor of this process an index in a plan; the same descriptor is handed over once. */
export class FdTable {
  readonly fds: number[] = [];

  index(fd: number): number {
    if (!this.fds.includes(fd)) this.fds.push(fd);
    return this.fds.indexOf(fd);
  }
}
