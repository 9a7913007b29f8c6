import { chmodSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { Pod } from "./pod.ts";

/** What of init and the agent a container can see or reach: nothing. docs/threat-model.md names these. */
export function confinementScenarios(pod: () => Pod): void {
  /** Output of a program as the container's first process and as an exec. */
  const both = async (args: readonly string[]): Promise<readonly string[]> => {
    const first = await pod().run(args);
    const id = await pod().start(["sleep", "1000"]);
    const exec = await pod().execute(id, args);
    await pod().remove(id);
    return [first, exec].map(({ stdout, stderr }) => stdout.toString() + stderr.toString());
  };

  it("a process starts with stdio as its only descriptors", async () => {
    // the fourth is the directory that ls reads
    for (const text of await both(["ls", "/proc/self/fd"])) expect(text).toBe("0\n1\n2\n3\n");
  });

  it("with no environment but its own", async () => {
    for (const text of await both(["cat", "/proc/self/environ"])) expect(text).toBe("PATH=/bin\0HOME=/root\0");
  });

  it("with no signal blocked, ignored or pending", async () => {
    for (const text of await both(["grep", "-E", "^(Sig|Shd)(Pnd|Blk|Ign|Cgt)", "/proc/self/status"])) {
      expect(text.match(/0{16}$/gm)).toHaveLength(5);
    }
  });

  it("with no memory of init mapped", async () => {
    for (const text of await both(["cat", "/proc/self/maps"])) {
      const files = text.match(/\S*\/.*$|memfd.*$/gm) ?? [];
      expect(new Set(files)).toEqual(new Set(["/bin/busybox"]));
    }
  });

  it("the files of the agent don't exist, by any way through /proc", async () => {
    const names = ["/run/guestd", "/usr/lib/guestd", "/usr/sbin/init", "/usr/bin/node"];
    const roots = ["", "/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/proc/1/task/1/root"];
    const line =
      "for name in $@; do test -e $name && echo $name; done; readlink /proc/1/exe; grep -c guestd/ /proc/1/mountinfo";
    const all = roots.flatMap((root) => names.map((name) => root + name));
    for (const text of await both(["sh", "-c", line, "sh", ...all]))
      expect(text).toMatch(/^\/bin\/(busybox|sleep)\n0\n$/);
  });

  it("its processes are the only ones that it sees", async () => {
    const line = "for p in /proc/[0-9]*; do read name < $p/comm && echo $name; done";
    const [first, exec] = await both(["sh", "-c", line]);
    expect(first).toBe("sh\n");
    expect(exec?.split("\n").sort()).toEqual(["", "sh", "sleep"]);
  });

  it("no unix socket of the agent can be reached: there is no abstract one, and in a guest none with a name", async () => {
    // the network namespace is the guest's unless the spec has another; so are its abstract names
    for (const text of await both(["cat", "/proc/net/unix"])) {
      const names = text
        .trim()
        .split("\n")
        .slice(1)
        .flatMap((line) => line.split(/\s+/).slice(7));
      expect(names.filter((name) => pod().machine.real || name.startsWith("@"))).toEqual([]);
    }
  });

  it("/proc/self/exe, which is init before a process executes, is not executed", async () => {
    const refused = 'exec "/proc/self/exe": not executable, EACCES';
    await expect(pod().create(["/proc/self/exe"])).rejects.toThrow(refused);
    const id = await pod().start(["sleep", "1000"]);
    await expect(pod().exec(id, ["/proc/self/exe"])).rejects.toThrow(refused);
    await pod().execute(id, ["ln", "-s", "/proc/self/exe", "/link"]);
    await expect(pod().exec(id, ["/link"])).rejects.toThrow('exec "/link": not executable');
    await pod().remove(id);
  });

  it("init as the interpreter of a container's script can't be written to", async () => {
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
