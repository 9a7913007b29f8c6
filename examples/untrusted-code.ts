// Code that nobody trusts: no network (the default), a root that can't be written, and limits of time, memory, processes
// and output. What exceeds them is an error that says so.
import { Sandbox, SandboxError } from "guestd";
import { where } from "./where.ts";

const codes = [
  "echo fine",
  "while :; do :; done",
  "head -c 5000000 /dev/zero",
  "tail /dev/zero",
  "echo owned > /etc/passwd",
  "ping -c 1 10.0.2.2",
];

await using sandbox = await Sandbox.create({
  ...where,
  user: "65534:65534",
  readOnlyRoot: true,
  limits: { memory: 64 << 20, cpus: 0.5, pids: 32 },
});
for (const code of codes) {
  try {
    const { exitCode, stdout } = await sandbox.exec(code, { timeoutMs: 5000, maxOutputBytes: 1 << 20 });
    console.log(`${code}: ${exitCode} ${stdout.trim()}`.trimEnd());
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    console.log(`${code}: ${error.code}`);
  }
}
