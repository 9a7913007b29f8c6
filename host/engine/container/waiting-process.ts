import type { RunOptions } from "../image/image-config.ts";

/** The program in guests that only waits, and where a container sees it. */
const PAUSE = { source: "/pause_bundle/rootfs/pause", destination: "/.guestd-pause" };

/** Returns the options of a container in a guest of ours whose first process only waits, whatever the image has. */
export function waitingProcess(): Required<Pick<RunOptions, "args" | "mounts" | "entrypoint">> {
  const { source, destination } = PAUSE;
  return {
    args: [destination],
    entrypoint: [],
    mounts: [{ destination, source, type: "bind", options: ["bind", "ro"] }],
  };
}
