import { expect, type TestContext } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";
import { shiftedRootfs } from "./shifted-rootfs.ts";

/**
 * A directory in the guest. After `commands` it holds a `file` owned by 5:6 and a mount of another file system at
 * `below`, owned by 7:8.
 */
export interface IdmappedSource {
  readonly path: string;
  /** Commands for the guest's shell that create it. */
  readonly commands: readonly string[];
}

let count = 0;

/** Returns a new tmpfs with another one mounted in it. They stay until the machine ends. */
export function tmpfsSource(): IdmappedSource {
  const path = `/run/idmapped-${++count}-${Date.now().toString(36)}`;
  const tmpfs = (at: string) => `mkdir -p ${at} && mount -t tmpfs -o mode=755 tmpfs ${at}`;
  return { path, commands: [tmpfs(path), tmpfs(`${path}/below`), ...owners(path)] };
}

/** Returns a directory of the file system mounted at `mounted`, with another of its directories bind-mounted in it. */
export function mountedSource(mounted: string): IdmappedSource {
  const path = `${mounted}/idmapped`;
  const below = `mkdir -p ${path}/below ${mounted}/other && mount --bind ${mounted}/other ${path}/below`;
  return { path, commands: [below, ...owners(path)] };
}

function owners(path: string): string[] {
  return [`echo hi > ${path}/file`, `chown 5:6 ${path}/file`, `chown 7:8 ${path}/below`];
}

type Options = {
  /** Where the file system supports idmapped mounts on some kernels only. */
  readonly context?: TestContext;
  /** Only the bind of all that is below, with its own map. */
  readonly brief?: true;
};

/**
 * Expects binds with their own maps, and with the container's, to show mapped ids: of the directory alone and of the
 * mounts below it. With `context`, the file system supports idmapped mounts on some kernels only; on others the mount
 * must be refused in one line, and the test is skipped.
 */
export async function idmappedBinds(
  pod: Pod,
  { path, commands }: IdmappedSource,
  { context, brief }: Options = {},
): Promise<void> {
  await pod.machine.shell(commands.join(" && "));
  const { Mounts } = ociSpec("/", []);
  const output = async (line: string, mount: Init<grpc.Mount>, parts: Init<grpc.Spec> = {}): Promise<string> => {
    const { stdout, stderr } = await pod.run(["sh", "-c", line], { Mounts: [...(Mounts ?? []), mount], ...parts });
    return stdout.toString() + stderr.toString();
  };
  const map = (HostID: number) => [{ ContainerID: 0, HostID, Size: 1000 }];
  const bind = (...options: string[]) => ({
    ...{ destination: "/m", source: path, type: "bind", options },
    ...{ uidMappings: map(70_000), gidMappings: map(80_000) },
  });
  const line = "stat -c %u:%g /m/file /m/below; touch /m/new";
  const tooLarge = "touch: /m/new: Value too large for defined data type\n";
  const expectAllMapped = async () =>
    expect(await output(line, bind("rbind", "ridmap"))).toBe(`70005:80006\n70007:80008\n${tooLarge}`);

  if (brief) return await expectAllMapped();
  await expect(output("true", { ...bind("bind"), uidMappings: [] })).rejects.toThrow("uidMappings is empty");
  const none = { uidMappings: [], gidMappings: [] };
  await expect(output("true", { ...bind("bind", "idmap"), ...none })).rejects.toThrow(
    "has no uidMappings and the container has no user namespace",
  );
  if (context !== undefined) {
    const refusal = await output("true", bind("bind")).then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (refusal !== undefined) {
      expect(refusal).toMatch(/^idmap mount of \S+: EINVAL \(this kernel has no idmapped mounts for its file system/);
      context.skip("the kernel has no idmapped mounts of this file system; that one is refused was shown");
    }
  }
  // Without the mounts below it; with them, keeping their ids; with their ids mapped too.
  expect(await output(line, bind("bind"))).toMatch(new RegExp(`^70005:80006\n\\d+:\\d+\n${tooLarge}$`));
  expect(await output(line, bind("rbind", "idmap"))).toBe(`70005:80006\n7:8\n${tooLarge}`);
  await expectAllMapped();

  const user = [{ ContainerID: 0, HostID: 100_000, Size: 65_536 }];
  const { Linux } = ociSpec("/", []);
  const Namespaces = ["mount", "pid", "ipc", "uts", "user"].map((Type) => ({ Type }));
  const inUser = async (...options: string[]) =>
    output(
      "stat -c %u:%g /m/file /m/below",
      { ...bind(...options), ...none },
      {
        Linux: { ...Linux, Namespaces, UIDMappings: user, GIDMappings: user },
        Root: { Path: await shiftedRootfs(pod.machine) },
      },
    );
  expect(await inUser("rbind", "ridmap")).toBe("5:6\n7:8\n");
  expect(await inUser("rbind", "idmap")).toBe("5:6\n65534:65534\n");
}
