import { randomBytesOf } from "../../../lib/seeded-random.ts";
import type { CaseGroup } from "../case.ts";
import { equal } from "../check.ts";
import { copyRefusals } from "./copy-refusals.ts";
import { copy, S_IFDIR, S_IFLNK, S_IFREG, seen } from "./copy-request.ts";

const MIB = 1 << 20;

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
    ...copyRefusals,
  ],
};
