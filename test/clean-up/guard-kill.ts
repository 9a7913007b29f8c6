/**
 * Makes process.kill refuse 0, 1 and negative numbers in every test process. kill(2) takes them for a process group,
 * init or all processes, and they are what a pid becomes that a test failed to find.
 */
const kill = process.kill.bind(process);
const GUARDED = Symbol.for("guestd.guarded-kill");

// A process without isolation runs this file once for each test file.
if (!(GUARDED in process.kill)) {
  process.kill = Object.assign(
    (pid: number, signal?: string | number) => {
      if (!Number.isInteger(pid) || Math.abs(pid) <= 1) throw new Error(`kill ${pid}: not the pid of a test's process`);
      return kill(pid, signal);
    },
    { [GUARDED]: true },
  );
}
