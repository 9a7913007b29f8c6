import { readFileSync, readlinkSync } from "node:fs";
import { namesIn } from "../../lib/names-in.ts";

/**
 * Returns the queues (0 is the first) from which a device program awaits the guest's messages. It awaits them by epoll,
 * with the number of the queue as data (vhost-user-backend), and the kernel lists what is awaited.
 */
export function polledQueues(pid: number): ReadonlySet<number> {
  const folder = `/proc/${pid}/fd`;
  const polls = namesIn(folder).filter((fd) => linkOf(`${folder}/${fd}`) === "anon_inode:[eventpoll]");
  const lines = polls.flatMap((fd) => textOf(`/proc/${pid}/fdinfo/${fd}`).split("\n"));
  return new Set(lines.flatMap((line) => (/^tfd:.* data: +([0-9a-f]+)/.exec(line) ?? [])[1] ?? []).map(fromHex));
}

function fromHex(digits: string): number {
  return Number.parseInt(digits, 16);
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
