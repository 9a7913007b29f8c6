// One sandbox for each job of a CI run: the sources go in, the steps run with live output, the results come out.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sandbox } from "guestd";
import { where } from "./where.ts";

const jobs = [
  { name: "lint", steps: ["sh -n build.sh"] },
  { name: "build", steps: ["sh build.sh > result"] },
  { name: "broken", steps: ["echo before", "exit 2", "echo never"] },
];

const folder = await mkdtemp(join(tmpdir(), "ci-"));
try {
  await writeFile(join(folder, "build.sh"), "echo built with $(busybox | head -n 1 | cut -d ' ' -f 1)\n");
  const results = await Promise.all(jobs.map(run));
  console.log(results.join("\n"));
} finally {
  await rm(folder, { recursive: true });
}

async function run({ name, steps }: (typeof jobs)[number]): Promise<string> {
  await using sandbox = await Sandbox.create({ ...where, env: { CI: "true" } });
  await sandbox.files.upload(folder, "/root/job");
  for (const step of steps) {
    const exec = sandbox.exec(step, { cwd: "/root/job", timeoutMs: 60_000 });
    for await (const { text } of exec) process.stderr.write(`${name}: ${text}`);
    const { exitCode } = await exec;
    if (exitCode !== 0) return `${name}: failed at "${step}" with ${exitCode}`;
  }
  if (!(await sandbox.files.exists("/root/job/result"))) return `${name}: passed`;
  const local = join(folder, `${name}-result`);
  await sandbox.files.download("/root/job/result", local);
  return `${name}: passed, ${(await readFile(local, "utf8")).trim()}`;
}
