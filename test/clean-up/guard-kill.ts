/**
 * In every test process: kill(2) takes 0, 1 and negative numbers for a process group, init or every process there is, which
 * is what a pid that a test failed to find would become.
 */
const kill = process.kill.bind(process);

process.kill = (pid, signal) => {
  if (!Number.isInteger(pid) || Math.abs(pid) <= 1) throw new Error(`kill ${pid}: not the pid of a process of a test`);
  return kill(pid, signal);
};
