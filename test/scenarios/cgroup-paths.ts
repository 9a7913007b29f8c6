import { expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "./oci.ts";
import { pidOfArgument } from "./pid-of-argument.ts";
import type { Pod } from "./pod.ts";

const ROOT = "/sys/fs/cgroup";
/** Where the host's paths begin. */
const CONTAINERS = `${ROOT}/containers`;

/** Where a container's cgroup is, and that all in it goes with it. */
export function cgroupScenarios(pod: () => Pod): void {
  const at = (CgroupsPath: string, parts: Init<grpc.Linux> = {}): Init<grpc.Spec> => {
    const { Linux } = ociSpec("/", []);
    return { Linux: { ...Linux, CgroupsPath, ...parts } };
  };
  const shell = (line: string) => pod().machine.shell(line);
  const unique = () => Date.now().toString(36);

  it("slice:prefix:name are three cgroups, of which the upper two go with the last container", async () => {
    const slice = `of-${unique()}.slice`;
    const [first, second] = [
      await pod().start(["sleep", "1000"], at(`${slice}:kata:one`)),
      await pod().start(["sleep", "1000"], at(`${slice}:kata:two`)),
    ];
    const count = `for name in one two; do grep -c . ${CONTAINERS}/${slice}/kata/$name/cgroup.procs; done`;
    expect(await shell(count)).toBe("1\n1\n");
    await pod().remove(first);
    expect(
      await shell(`ls -d ${CONTAINERS}/${slice}/kata/one ${CONTAINERS}/${slice}/kata/two 2>/dev/null || true`),
    ).toBe(`${CONTAINERS}/${slice}/kata/two\n`);
    await pod().remove(second);
    expect(await shell(`ls -d ${CONTAINERS}/${slice} 2>/dev/null || echo gone`)).toBe("gone\n");
  });

  it.each([
    ["a:..:b", 'has ".." in it'],
    ["::", "is the root cgroup; a container needs one of its own"],
  ])("%s is refused, and nothing is made", async (path, why) => {
    const before = await shell(`find ${ROOT} -type d | wc -l`);
    await expect(pod().create(["true"], at(path))).rejects.toMatchObject({
      code: 3,
      message: `OCI spec: linux.cgroupsPath "${path}" ${why}`,
    });
    expect(await shell(`find ${ROOT} -type d | wc -l`)).toBe(before);
  });

  it("RemoveContainer ends what outlived the first process: deaf, stopped, in a session or a cgroup of its own", async () => {
    const name = `outlived-${unique()}`;
    const { Mounts } = ociSpec("/", []);
    const cgroup = { destination: ROOT, source: "cgroup", type: "cgroup", options: ["rw"] };
    // Its own pid namespace would end them with its first process.
    const other = await pod().start(["sleep", "7815"]);
    const Path = `/proc/${await pidOfArgument(pod().machine, "781[5]")}/ns/pid`;
    const Namespaces = [...["mount", "ipc", "uts", "cgroup"].map((Type) => ({ Type })), { Type: "pid", Path }];
    const line = [
      "exec > /dev/null 2>&1 < /dev/null",
      `(trap '' TERM HUP INT; exec sleep 7811) & setsid sleep 7812 & sleep 7813 & kill -STOP $!`,
      `mkdir -p ${ROOT}/below/deeper; sh -c 'echo $$ > ${ROOT}/below/deeper/cgroup.procs; exec sleep 7814' &`,
      `until grep -q . ${ROOT}/below/deeper/cgroup.procs; do sleep 0.05; done; exit 3`,
    ];
    const parts = { ...at(`/${name}/inner`, { Namespaces }), Mounts: [...(Mounts ?? []), cgroup] };
    const id = await pod().start(["sh", "-c", line.join("\n")], parts);
    expect((await pod().client.agent.waitProcess({ container_id: id, exec_id: "" })).status).toBe(3);
    const outlived = () => shell("ps -o args | grep -c '[s]leep 781[1-4]' || true");
    await expect.poll(outlived).toBe("4\n");
    expect(await shell(`grep -c . ${CONTAINERS}/${name}/inner/below/deeper/cgroup.procs`)).toBe("1\n");
    await pod().remove(id);
    expect(await outlived()).toBe("0\n");
    await pod().remove(other);
    expect(await shell(`ls -d ${CONTAINERS}/${name} 2>/dev/null || echo gone`)).toBe("gone\n");
  });
}
