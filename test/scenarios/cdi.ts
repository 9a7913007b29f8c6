import { afterAll, beforeAll, expect, it } from "vitest";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

const DIRECTORY = "/var/run/cdi";
const FILE = `---
cdiVersion: "0.6.0"
kind: test.guestd/thing
containerEdits:
  env:
  - ALL_THINGS=yes
devices:
- name: "0"
  containerEdits:
    env:
    - PATH=/bin:/thing/bin
    deviceNodes:
    - path: /dev/thing/zero
      hostPath: /dev/zero
      permissions: r
    - path: /dev/thing/log
      type: c
      major: 1
      minor: 11
      permissions: w
    mounts:
    - hostPath: ${DIRECTORY}
      containerPath: /../../thing/./lib
      options: [ro, nosuid, nodev, rbind]
    additionalGids: [4321]
`;

/** Devices that are asked for by their names in files of the guest. */
export function cdiScenarios(pod: () => Pod): void {
  const shell = (line: string) => pod().machine.shell(line);
  const Annotations = { "cdi.k8s.io/vfio0": "test.guestd/thing=0" };

  // One line, as the console of a guest takes them.
  const encoded = Buffer.from(FILE).toString("base64");
  beforeAll(() => shell(`mkdir -p ${DIRECTORY} && echo ${encoded} | base64 -d >${DIRECTORY}/thing.yaml`));
  afterAll(() => shell(`rm -r ${DIRECTORY}`));

  it("gives a container the nodes, mounts, variables and groups of a device, and explains where they come from", async () => {
    const lines = [
      "head -c 3 /dev/thing/zero | wc -c",
      "echo $ALL_THINGS $PATH",
      "ls /thing/lib",
      "touch /thing/lib/x 2>/dev/null || echo read-only",
      "id -G",
    ];
    const id = await pod().create(["sh", "-c", lines.join("; ")], { Annotations });
    const { steps } = await pod().client.guest.explain({ container_id: id });
    const of = (start: string) => steps.filter(({ reason }) => reason.startsWith(start)).at(-1)?.reason;
    expect(of("linux.devices[")).toMatch(/^linux\.devices\[\d+\] of CDI device test\.guestd\/thing=0$/);
    expect(of("mounts[")).toMatch(/^mounts\[\d+\] of CDI device test\.guestd\/thing=0$/);
    await pod().client.agent.startContainer({ container_id: id });
    const { stdout } = await pod().finish(id, id);
    expect(stdout.toString()).toBe("3\nyes /bin:/thing/bin\nthing.yaml\nread-only\n0 4321\n");
    expect(await shell("ls -d /thing 2>&1 || true")).toContain("No such file");
    await pod().remove(id);
  });

  it("a device can still be used after an update with the host's rules, which do not know it", async () => {
    const container_id = await pod().start(["sleep", "1000"], { Annotations });
    const open = async () => (await pod().execute(container_id, ["sh", "-c", ": >/dev/thing/log"])).status;
    expect(await open()).toBe(0);
    await pod().client.agent.updateContainer({ container_id, resources: { Devices: [{ Type: "a", Access: "rwm" }] } });
    expect(await open()).toBe(0);
    await pod().remove(container_id);
  });

  it("waits for a file that comes later, and refuses at once what its kind does not have", async () => {
    const later = `{"cdiVersion": "1.0.0", "kind": "test.guestd/later", "devices": [{"name": "x", "containerEdits": {"env": ["LATE=1"]}}]}`;
    const running = pod().run(["sh", "-c", "echo $LATE"], { Annotations: { "cdi.k8s.io/a": "test.guestd/later=x" } });
    await shell(`sleep 0.3; echo '${later}' >${DIRECTORY}/later.json`);
    expect((await running).stdout.toString()).toBe("1\n");
    const wrong = pod().create(["true"], { Annotations: { "cdi.k8s.io/a": "test.guestd/thing=9" } });
    await expect(wrong).rejects.toMatchObject({
      kind: "internal",
      message: `CDI device test.guestd/thing=9: ${DIRECTORY}/thing.yaml has no such device; known: 0`,
    });
    const noName = pod().create(["true"], { Annotations: { "cdi.k8s.io/a": "thing" } });
    await expect(noName).rejects.toMatchObject({ kind: "invalid-argument" });
  });

  it("gives the pod's own container none", async () => {
    const { Linux } = ociSpec("/", []);
    const asPod = { ...Annotations, "io.katacontainers.pkg.oci.container_type": "pod_sandbox" };
    const { stdout } = await pod().run(["sh", "-c", "echo [$ALL_THINGS]"], { Linux, Annotations: asPod });
    expect(stdout.toString()).toBe("[]\n");
  });
}
