import { fstatSync } from "node:fs";
import { Duplex } from "node:stream";
import { isatty } from "node:tty";
import { CliError } from "../cli-error.ts";

/** Returns guestctl's own stdin and stdout as one stream. Throws CliError unless both are pipes or sockets, as ssh's are. */
export function stdioStream(): Duplex {
  for (const [fd, name] of ["stdin", "stdout"].entries()) {
    const status = fstatSync(fd);
    if (!isatty(fd) && (status.isFIFO() || status.isSocket())) continue;
    throw new CliError(
      `ssh-proxy: ${name} isn't a pipe; ssh starts this command by ProxyCommand: see guestctl ssh-proxy --config`,
    );
  }
  return Duplex.from({ readable: process.stdin, writable: process.stdout });
}
