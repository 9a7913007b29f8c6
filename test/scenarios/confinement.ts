import { chmodSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { Pod } from "./pod.ts";

/**
 * Scenarios that show that a container can see or reach no part of init and the agent. docs/threat-model.md refers to
 * them.
 */
export function confinementScenarios(pod: () => Pod): void {
  /** Returns a program's output, once as the container's first process and once as an exec. */
  const both = async (args: readonly string[]): Promise<readonly string[]> => {
    const first = await pod().run(args);
    const id = await pod().start(["sleep", "1000"]);
    const exec = await pod().execute(id, args);
    await pod().remove(id);
    return [first, exec].map(({ stdout, stderr }) => stdout.toString() + stderr.toString());
  };

  it("a process starts with stdio as its only descriptors", async () => {
    // The fourth is the directory that ls reads.
    for (const text of await both(["ls", "/proc/self/fd"])) expect(text).toBe("0\n1\n2\n3\n");
  });

  it("a process starts with only its own environment", async () => {
    for (const text of await both(["cat", "/proc/self/environ"])) expect(text).toBe("PATH=/bin\0HOME=/root\0");
  });

  it("a process starts with no signal blocked, ignored or pending", async () => {
    for (const text of await both(["grep", "-E", "^(Sig|Shd)(Pnd|Blk|Ign|Cgt)", "/proc/self/status"])) {
      expect(text.match(/0{16}$/gm)).toHaveLength(5);
    }
  });

  it("a process starts with none of init's memory mapped", async () => {
    for (const text of await both(["cat", "/proc/self/maps"])) {
      const files = text.match(/\S*\/.*$|memfd.*$/gm) ?? [];
      expect(new Set(files)).toEqual(new Set(["/bin/cat"]));
    }
  });

  it("no path through /proc leads to the agent's files", async () => {
    const names = ["/run/guestd", "/usr/lib/guestd", "/usr/sbin/init", "/usr/bin/node"];
    const roots = ["", "/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/proc/1/task/1/root"];
    const line =
      "for name in $@; do test -e $name && echo $name; done; readlink /proc/1/exe; grep -c guestd/ /proc/1/mountinfo";
    const all = roots.flatMap((root) => names.map((name) => root + name));
    for (const text of await both(["sh", "-c", line, "sh", ...all])) expect(text).toMatch(/^\/bin\/(sh|sleep)\n0\n$/);
  });

  it("a container's process sees only its own container's processes", async () => {
    const line = "for p in /proc/[0-9]*; do read name < $p/comm && echo $name; done";
    const [first, exec] = await both(["sh", "-c", line]);
    expect(first).toBe("sh\n");
    expect(exec?.split("\n").sort()).toEqual(["", "sh", "sleep"]);
  });

  it("a container can't reach a unix socket of the agent: no abstract one exists, and in a guest no named one", async () => {
    // The network namespace is the guest's unless the spec has another; so are its abstract names.
    for (const text of await both(["cat", "/proc/net/unix"])) {
      const names = text
        .trim()
        .split("\n")
        .slice(1)
        .flatMap((line) => line.split(/\s+/).slice(7));
      expect(names.filter((name) => pod().machine.real || name.startsWith("@"))).toEqual([]);
    }
  });

  it("CreateContainer and ExecProcess refuse to execute /proc/self/exe, which is init until a process executes", async () => {
    const refused = 'exec "/proc/self/exe": not executable, EACCES';
    await expect(pod().create(["/proc/self/exe"])).rejects.toThrow(refused);
    const id = await pod().start(["sleep", "1000"]);
    await expect(pod().exec(id, ["/proc/self/exe"])).rejects.toThrow(refused);
    await pod().execute(id, ["ln", "-s", "/proc/self/exe", "/link"]);
    await expect(pod().exec(id, ["/link"])).rejects.toThrow('exec "/link": not executable');
    await pod().remove(id);
  });

  it("a container's script that has init as its interpreter can't write to init", async () => {
    const { machine } = pod();
    const rootfs = machine.rootfs(`script-${Date.now().toString(36)}`);
    const script = `${machine.hostPath(rootfs)}/script`;
    writeFileSync(script, "#!/proc/self/exe\n");
    chmodSync(script, 0o755);
    const id = await pod().create(["/script"], {}, rootfs);
    await pod().client.agent.startContainer({ container_id: id });
    const { stdout, stderr } = await pod().execute(id, ["sh", "-c", "readlink /proc/1/exe; echo x > /proc/1/exe"]);
    const why = machine.real ? "Read-only file system" : "Text file busy";
    expect(stdout.toString() + stderr.toString()).toMatch(new RegExp(`/init\n.*${why}\n$`));
    await pod().remove(id);
  });
}
