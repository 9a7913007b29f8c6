import { expect, type TestContext } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";
import { shiftedRootfs } from "./shifted-rootfs.ts";

/** With the lines, a directory of the guest has a `file` of 5:6, and another mount of a file system at `below`, of 7:8. */
export interface IdmappedSource {
  readonly path: string;
  /** Makes it, by the guest's shell. */
  readonly commands: readonly string[];
}

let count = 0;

/** A new tmpfs with another in it. It is left to the end of the machine. */
export function tmpfsSource(): IdmappedSource {
  const path = `/run/idmapped-${++count}-${Date.now().toString(36)}`;
  const tmpfs = (at: string) => `mkdir -p ${at} && mount -t tmpfs -o mode=755 tmpfs ${at}`;
  return { path, commands: [tmpfs(path), tmpfs(`${path}/below`), ...owners(path)] };
}

/** A directory of a file system that is mounted there, with another of its directories mounted in it. */
export function mountedSource(mounted: string): IdmappedSource {
  const path = `${mounted}/idmapped`;
  const below = `mkdir -p ${path}/below ${mounted}/other && mount --bind ${mounted}/other ${path}/below`;
  return { path, commands: [below, ...owners(path)] };
}

function owners(path: string): string[] {
  return [`echo hi > ${path}/file`, `chown 5:6 ${path}/file`, `chown 7:8 ${path}/below`];
}

/**
 * Binds with maps of their own, and with those of the container, of the directory alone and of what is mounted below it.
 * `context`: of a file system that has idmapped mounts on some kernels only; else the mount is refused in one line, and the test
 * skipped.
 */
export async function idmappedBinds(
  pod: Pod,
  { path, commands }: IdmappedSource,
  context?: TestContext,
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
  // Without what is mounted below; with it, which keeps its ids; with its ids mapped too.
  expect(await output(line, bind("bind"))).toMatch(new RegExp(`^70005:80006\n\\d+:\\d+\n${tooLarge}$`));
  expect(await output(line, bind("rbind", "idmap"))).toBe(`70005:80006\n7:8\n${tooLarge}`);
  expect(await output(line, bind("rbind", "ridmap"))).toBe(`70005:80006\n70007:80008\n${tooLarge}`);

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
