// A command, a file and a loop over output.
import { Sandbox } from "guestd";
import { where } from "./where.ts";

const sandbox = await Sandbox.create({ ...where, files: { "/work/name": "world" } });

const { exitCode, stdout } = await sandbox.exec('echo "hello $(cat /work/name)"; exit 3');
console.log(exitCode, stdout.trim());

for await (const { stream, text } of sandbox.exec("echo one; sleep 0.1; echo two >&2")) {
  console.log(stream, text.trim());
}

await sandbox.stop();
