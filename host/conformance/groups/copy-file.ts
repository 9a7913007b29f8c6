import { randomBytesOf } from "../../../lib/seeded-random.ts";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { CaseGroup } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { equal, holds, refused } from "../check.ts";
import { withMounts } from "../oci-spec.ts";
import { SHARED } from "../session-containers.ts";

const [S_IFREG, S_IFDIR, S_IFLNK] = [0o100000, 0o040000, 0o120000];
const MIB = 1 << 20;

/** Sends one file in one call. */
function copy(context: CaseContext, path: string, data: Uint8Array | string, parts: Init<grpc.CopyFileRequest> = {}) {
  const bytes = Buffer.from(data);
  const file = { path, file_mode: S_IFREG | 0o644, dir_mode: 0o755, file_size: bytes.length, data: bytes };
  return context.agent.copyFile({ ...file, ...parts });
}

/** Returns what a script prints in a container that sees `directory` of the guest at /copied. */
function seen(context: CaseContext, directory: string, script: string): Promise<string> {
  const bind = { destination: "/copied", source: directory, type: "bind", options: ["rbind", "ro"] };
  return context.print(`cd /copied; ${script}`, withMounts(bind));
}

export const copyFile: CaseGroup = {
  name: "copy-file",
  title: "CopyFile",
  parallel: true,
  needs: ["sandbox"],
  cases: [
    {
      name: "CopyFile: a file arrives with its content and mode",
      level: "must",
      source: "Go shim and runtime-rs without a shared file system",
      needs: ["rootfs"],
      run: async (context) => {
        const at = await context.sharedDirectory();
        await copy(context, `${at}/file`, "content\n", { file_mode: S_IFREG | 0o640 });
        equal(await seen(context, at, "cat file; stat -c %a file"), "content\n640\n", "content and mode");
      },
    },
    {
      name: "CopyFile: a file has the given owner",
      level: "should",
      source: "agent.proto, CopyFileRequest.uid and gid",
      needs: ["rootfs"],
      run: async (context) => {
        const at = await context.sharedDirectory();
        await copy(context, `${at}/file`, "x", { uid: 1000, gid: 2000 });
        equal(await seen(context, at, "stat -c %u:%g file"), "1000:2000\n", "the owner");
      },
    },
    {
      name: "CopyFile: a directory is created with its mode",
      level: "must",
      source: "agent.proto, CopyFileRequest.file_mode",
      needs: ["rootfs"],
      run: async (context) => {
        const at = await context.sharedDirectory();
        await copy(context, `${at}/dir`, "", { file_mode: S_IFDIR | 0o750 });
        equal(await seen(context, at, "stat -c '%F %a' dir"), "directory 750\n", "kind and mode");
      },
    },
    {
      name: "CopyFile: a symbolic link has the data as its target",
      level: "must",
      source: "agent.proto, CopyFileRequest.data; Kubernetes' config maps",
      needs: ["rootfs"],
      run: async (context) => {
        const at = await context.sharedDirectory();
        await copy(context, `${at}/link`, "..data/colour", { file_mode: S_IFLNK | 0o777 });
        equal(await seen(context, at, "readlink link"), "..data/colour\n", "the target");
      },
    },
    {
      name: "CopyFile: an empty file is created",
      level: "must",
      source: "Kubernetes, termination logs",
      needs: ["rootfs"],
      run: async (context) => {
        const at = await context.sharedDirectory();
        await copy(context, `${at}/empty`, "");
        equal(await seen(context, at, "stat -c '%F %s' empty"), "regular empty file 0\n", "kind and size");
      },
    },
    {
      name: "CopyFile: parents are created",
      level: "should",
      source: "agent.proto, CopyFileRequest.dir_mode; no host relies on it",
      needs: ["rootfs"],
      run: async (context) => {
        const at = await context.sharedDirectory();
        await copy(context, `${at}/a/b/c/file`, "deep\n");
        equal(await seen(context, at, "cat a/b/c/file"), "deep\n", "the content");
      },
    },
    {
      name: "CopyFile: 3 MiB in pieces of 1 MiB arrive unchanged",
      level: "must",
      source: "Go shim, its pieces",
      needs: ["rootfs"],
      run: async (context) => {
        const { createHash } = await import("node:crypto");
        const at = await context.sharedDirectory();
        const content = Buffer.concat(
          Array.from({ length: 3 }, () => Buffer.alloc(MIB, randomBytesOf(context.random, 997))),
        );
        for (let offset = 0; offset < content.length; offset += MIB) {
          const piece = content.subarray(offset, offset + MIB);
          await copy(context, `${at}/large`, piece, { offset, file_size: content.length });
        }
        const sum = createHash("sha256").update(content).digest("hex");
        equal(await seen(context, at, "sha256sum < large"), `${sum}  -\n`, "the hash");
      },
    },
    {
      name: "CopyFile: a file appears only when its last piece has arrived",
      level: "should",
      source: "behaviour of the reference: written under another name, then renamed",
      needs: ["rootfs"],
      run: async (context) => {
        const at = await context.sharedDirectory();
        await copy(context, `${at}/file`, "first ", { file_size: 12 });
        equal(await seen(context, at, "test -e file && echo early"), "", "the file after its first piece");
        await copy(context, `${at}/file`, "second", { file_size: 12, offset: 6 });
        equal(await seen(context, at, "cat file"), "first second", "the content");
      },
    },
    {
      name: "CopyFile: the pieces of a file may arrive in any order",
      level: "may",
      source: "guestd; the reference goes by the length of the file",
      needs: ["rootfs"],
      run: async (context) => {
        const at = await context.sharedDirectory();
        const text = "abcdefghijkl";
        const send = (offset: number) =>
          copy(context, `${at}/file`, text.slice(offset, offset + 4), { file_size: text.length, offset });
        for (const offset of [4, 8]) await send(offset);
        equal(await seen(context, at, "test -e file && echo early"), "", "the file without its first piece");
        await send(0);
        equal(await seen(context, at, "cat file"), text, "the content");
      },
    },
    {
      name: "CopyFile: a file replaces an older one",
      level: "must",
      source: "Kubernetes, updates of config maps",
      needs: ["rootfs"],
      run: async (context) => {
        const at = await context.sharedDirectory();
        await copy(context, `${at}/file`, "a longer first version\n");
        await copy(context, `${at}/file`, "second\n");
        equal(await seen(context, at, "cat file"), "second\n", "the content");
      },
    },
    {
      name: "CopyFile: two files that differ by their extension don't disturb each other",
      level: "may",
      source: "guestd; in the reference they share a temporary name",
      needs: ["rootfs"],
      run: async (context) => {
        const at = await context.sharedDirectory();
        for (const [offset, data] of [
          [0, "one "],
          [4, "more"],
        ] as const) {
          for (const name of ["x.conf", "x.yaml"]) await copy(context, `${at}/${name}`, data, { offset, file_size: 8 });
        }
        equal(await seen(context, at, "cat x.conf x.yaml; ls -A | wc -l"), "one moreone more2\n", "contents and count");
      },
    },
    {
      name: "CopyFile: names with spaces, line feeds and UTF-8 are kept",
      level: "should",
      source: "file names are bytes",
      needs: ["rootfs"],
      run: async (context) => {
        const at = await context.sharedDirectory();
        for (const name of ["with space", "with\nline", "ünï", "-rf", "*"]) await copy(context, `${at}/${name}`, name);
        equal(await seen(context, at, "set -- *; echo $#; cat 'ünï' ./-rf"), "5\nünï-rf", "count and contents");
      },
    },
    ...[
      ["outside of the shared directory", "/run/conformance-outside"],
      ["of the shared directory's parent", "/run/kata-containers/conformance"],
      ["that begins with the shared directory's name", `${SHARED}-conformance`],
      ["with .. that leads out", `${SHARED}/x/../../../../conformance-outside`],
      ["that is relative", "run/kata-containers/shared/containers/conformance"],
      ["that is empty", ""],
    ].map(([what = "", path = ""]) => ({
      name: `CopyFile: refuses a path ${what}`,
      level: "must" as const,
      source: "behaviour of the reference: only below the shared directory",
      run: (context: CaseContext) => refused(copy(context, path, "x")),
    })),
    ...[
      ["an absolute link", "/run"],
      ["a link with ..", "../../../../.."],
    ].map(([what = "", target = ""]) => ({
      name: `CopyFile: does not follow ${what} out of the shared directory`,
      level: "must" as const,
      source: "behaviour of the reference: links can't leave the shared directory",
      needs: ["rootfs"] as const,
      run: async (context: CaseContext) => {
        const at = await context.sharedDirectory();
        const name = `conf-escape-${context.fresh()}`;
        await copy(context, `${at}/out`, target, { file_mode: S_IFLNK | 0o777 });
        await copy(context, `${at}/out/${name}`, "x").catch(() => undefined);
        const line = `test -d /guest/kata-containers && echo seen; test -e /guest/${name} && echo escaped`;
        equal(await context.lookAt("/run", line), "seen\n", "what is outside");
      },
    })),
    {
      name: "CopyFile: refuses a negative offset",
      level: "should",
      source: "agent.proto, CopyFileRequest.offset",
      run: async (context) => {
        const at = await context.sharedDirectory();
        await refused(copy(context, `${at}/file`, "x", { offset: -1 }));
      },
    },
    {
      name: "CopyFile: refuses a negative size",
      level: "should",
      source: "agent.proto, CopyFileRequest.file_size",
      run: async (context) => {
        const at = await context.sharedDirectory();
        await refused(copy(context, `${at}/file`, "x", { file_size: -1 }));
      },
    },
    {
      name: "CopyFile: a file does not replace a directory",
      level: "may",
      source: "guestd; the reference removes what is in the way",
      needs: ["rootfs"],
      run: async (context) => {
        const at = await context.sharedDirectory();
        await copy(context, `${at}/dir`, "", { file_mode: S_IFDIR | 0o755 });
        await copy(context, `${at}/dir/inside`, "kept\n");
        await refused(copy(context, `${at}/dir`, "x"));
        holds((await seen(context, at, "cat dir/inside")) === "kept\n", "the directory's file is kept");
      },
    },
  ],
};
