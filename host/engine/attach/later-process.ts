import type { Process } from "../process.ts";

/** Returns a process that is about to be started. It is asked everything once it is, in the same order. */
export function laterProcess(id: string, starting: Promise<Process>): Process {
  let process: Process | undefined;
  const known = starting.then((given) => {
    process = given;
    return given;
  });
  const ask = (question: (given: Process) => void) => void known.then(question).catch(() => undefined);
  return {
    id,
    started: known.then((given) => given.started),
    ended: known.then((given) => given.ended),
    get epoch() {
      return process?.epoch;
    },
    write: (bytes) => known.then((given) => given.write(bytes)),
    endInput: () => ask((given) => given.endInput()),
    signal: (number) => known.then((given) => given.signal(number)),
    resize: (rows, columns) => ask((given) => given.resize(rows, columns)),
    detach: () => ask((given) => given.detach()),
  };
}
