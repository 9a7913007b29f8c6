import type { ConformanceCase } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { equal, holds, refused } from "../check.ts";
import { SHARED } from "../session-containers.ts";
import { copy, S_IFDIR, S_IFLNK, seen } from "./copy-request.ts";

/** Cases of paths that lead out of the shared directory, and of impossible requests. */
export const copyRefusals: readonly ConformanceCase[] = [
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
];
