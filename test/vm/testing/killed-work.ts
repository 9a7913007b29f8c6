import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { expect } from "vitest";
import type { OwnGuests } from "./own-guests.ts";

const SDK = join(import.meta.dirname, "../../../host/sdk/index.ts");

/** Something that a command or a program does, which may be killed at any moment. */
export interface KilledWork {
  readonly name: string;
  /** Milliseconds after which it has usually ended. */
  readonly ms: number;
  start(kill: number): ChildProcess;
  /** Removes what it has made, whole or in part, and checks that nothing of it is in the way. */
  clean(kill: number): Promise<void>;
}

/** Returns what is killed, with a guest `dev`, its container `log`, and a file. */
export function killedWork({ directory, env, image, run, start }: OwnGuests): readonly KilledWork[] {
  const program = (code: string) =>
    spawn(process.execPath, ["--input-type=module", "-e", `import { Sandbox } from ${JSON.stringify(SDK)};\n${code}`], {
      env,
      stdio: "ignore",
    });
  const nothing = async () => undefined;
  /** Removes a container, if it is there, and its guest. */
  const remove = async (name: string) => {
    expect(await run("rm", "-f", name)).toMatch(new RegExp(`^(${name}\n|)$`));
  };
  const isFree = async (name: string) => {
    expect(await run("run", "--rm", "-g", "dev", "--name", name, image, "echo", "free")).toBe("free\n");
  };
  return [
    {
      name: "exec",
      ms: 800,
      start: (kill) => start("exec", "log", "sh", "-c", `echo x${kill} >>/log; sleep 0.2`),
      clean: nothing,
    },
    { name: "cp", ms: 800, start: () => start("cp", join(directory, "file"), "log:/copied"), clean: nothing },
    {
      name: "run in a guest",
      ms: 1500,
      start: (kill) => start("run", "-d", "-g", "dev", "--name", `c${kill}`, image, "sleep", "1000"),
      async clean(kill) {
        await remove(`c${kill}`);
        await isFree(`c${kill}`);
      },
    },
    {
      name: "run",
      ms: 6000,
      start: (kill) => start("run", "-d", "--name", `o${kill}`, image, "sleep", "1000"),
      clean: (kill) => remove(`o${kill}`),
    },
    {
      name: "fork",
      ms: 3000,
      start: (kill) => start("fork", "dev", "--name", `f${kill}`),
      clean: async (kill) => void (await run("stop", `f${kill}-1`)),
    },
    {
      name: "snapshot",
      ms: 2000,
      start: (kill) => start("snapshot", "dev", `s${kill}`),
      clean: async (kill) => void (await run("template", "rm", `s${kill}`)),
    },
    {
      name: "exec of the SDK",
      ms: 1500,
      start: (kill) =>
        program(`await using it = await Sandbox.connect("log"); await it.exec("echo x${kill} >>/log; sleep 0.2");`),
      clean: nothing,
    },
    {
      name: "create of the SDK",
      ms: 6000,
      start: (kill) => program(`await using it = await Sandbox.create({ image: "${image}", name: "p${kill}" });`),
      clean: (kill) => remove(`p${kill}`),
    },
  ];
}
