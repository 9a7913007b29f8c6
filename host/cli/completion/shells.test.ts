import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { SHELL_SCRIPTS, type Shell } from "./shell-scripts.ts";

let folder: ReturnType<typeof temporaryDirectory>;

beforeAll(() => {
  folder = temporaryDirectory();
  mkdirSync(join(folder.path, "bin"));
  symlinkSync(join(import.meta.dirname, "../guestctl.sh"), join(folder.path, "bin/guestctl"));
  for (const shell of ["bash", "zsh", "fish"] as const) writeFileSync(scriptOf(shell), SHELL_SCRIPTS[shell]);
  const store = new StateStore(join(folder.path, `guestd-${process.geteuid?.()}`));
  store.claim("dev");
  const settings = { image: "i", terminal: false, rootfs: "/", env: [], cwd: "/", user: "", args: ["sh"] };
  store.writeGuest({ name: "dev", bootedAt: "2026-01-01T00:00:00Z" } as never);
  store.processes.write("dev", { container: "web", exec: "web", ...settings, startedAt: "2026-01-01T00:00:00Z" });
});
afterAll(() => folder[Symbol.dispose]());

const scriptOf = (shell: Shell) => join(folder.path, `script.${shell}`);

/** Runs a shell with guestctl in its PATH and returns its output. */
function output(shell: Shell, ...args: string[]): string {
  const env = {
    ...{ HOME: folder.path, XDG_RUNTIME_DIR: folder.path, XDG_CACHE_HOME: folder.path },
    PATH: `${folder.path}/bin:${process.env["PATH"]}`,
  };
  return execFileSync(shell, args, { env, cwd: folder.path, encoding: "utf8" });
}

/** A test for a shell; skipped with the reason in its name if the shell isn't installed. */
function testIn(shell: Shell, name: string, work: () => void): void {
  const isInstalled = spawnSync(shell, ["-c", "true"]).status === 0;
  test.skipIf(!isInstalled)(`${name}${isInstalled ? "" : ` (skipped: ${shell} isn't installed)`}`, work);
}

/** Completes words in bash as readline would call the function. bash splits words at = and :. */
function inBash(line: string, ...words: string[]): string[] {
  const quoted = words.map((word) => `'${word}'`).join(" ");
  const script = `source ${scriptOf("bash")}; COMP_LINE='${line}' COMP_POINT=${line.length}
    COMP_WORDS=(${quoted}) COMP_CWORD=${words.length - 1}; _guestctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return output("bash", "--norc", "-c", script).trimEnd().split("\n");
}

testIn("bash", "bash completes commands, options, choices, names and files", () => {
  expect(inBash("guestctl rm", "guestctl", "rm")).toEqual(["rm", "rmi"]);
  expect(inBash("guestctl run --network=u", "guestctl", "run", "--network", "=", "u")).toEqual(["user"]);
  expect(inBash("guestctl run --network=", "guestctl", "run", "--network", "=")).toEqual(["none", "user", "tap"]);
  expect(inBash("guestctl exec -g dev w", "guestctl", "exec", "-g", "dev", "w")).toEqual(["web"]);
  expect(inBash("guestctl cp w", "guestctl", "cp", "w")).toEqual(["web:"]);
  expect(inBash("guestctl run script.b", "guestctl", "run", "script.b")).toEqual(["script.bash"]);
});

testIn("bash", "guestctl completion prints the script, which registers itself", () => {
  expect(output("bash", "--norc", "-c", "source <(guestctl completion bash); complete -p guestctl")).toBe(
    "complete -F _guestctl guestctl\n",
  );
});

testIn("zsh", "zsh accepts the script and registers it", () => {
  const script = `autoload -Uz compinit; compinit -u -D; source ${scriptOf("zsh")}; print $_comps[guestctl]`;
  expect(output("zsh", "-f", "-c", script)).toBe("_guestctl\n");
});

testIn("fish", "fish completes commands, choices, names and files", () => {
  const inFish = (line: string) => output("fish", "-N", "-c", `source ${scriptOf("fish")}; complete -C '${line}'`);
  expect(inFish("guestctl ru")).toBe("run\trun a container from an image\n");
  expect(inFish("guestctl run --network u")).toBe("user\n");
  expect(inFish("guestctl exec w")).toBe("web\tcontainer\n");
  expect(inFish("guestctl run script.b")).toBe("script.bash\n");
});
