import { createHash, randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { sendFiles } from "../../host/client/send-files.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { keepsOwners } from "./keeps-owners.ts";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;

/** Scenarios of CopyFile. */
export function copyFileScenarios(pod: () => Pod): void {
  const shell = (line: string) => pod().machine.shell(line);
  let root = "";
  beforeAll(() => {
    root = pod().machine.volume(`copies-${process.pid}-${Date.now().toString(36)}`);
  });
  let count = 0;
  /** Returns a new name below `root`. */
  const fresh = () => `copied-${++count}`;
  const copy = (path: string, text: string, parts: Init<grpc.CopyFileRequest> = {}) => {
    const data = Buffer.from(text);
    const file = { path: `${root}/${path}`, file_mode: 0o100644, dir_mode: 0o755, file_size: data.length, data };
    return pod().client.agent.copyFile({ ...file, ...parts });
  };

  it("a container sees a host's directory that was copied into the guest and bind-mounted", async () => {
    const directory = mkdtempSync(join(tmpdir(), "guestd-send-"));
    const big = randomBytes(2_500_000);
    const tree = fresh();
    try {
      mkdirSync(join(directory, "sub/empty"), { recursive: true });
      writeFileSync(join(directory, "sub/big file"), big);
      writeFileSync(join(directory, "nothing"), "");
      writeFileSync(join(directory, "run.sh"), "#!/bin/sh\necho I run\n");
      chmodSync(join(directory, "run.sh"), 0o750);
      symlinkSync("../run.sh", join(directory, "sub/link"));
      await sendFiles(pod().client, directory, `${root}/${tree}`, { owner: { uid: 1000, gid: 2000 } });
    } finally {
      rmSync(directory, { recursive: true });
    }
    const Mounts = [
      ...(ociSpec("/", []).Mounts ?? []),
      { destination: "/tree", source: `${root}/${tree}`, type: "bind", options: ["bind"] },
    ];
    const look = "cd /tree; find . | sort; stat -c '%a %u %g' run.sh; sha256sum < 'sub/big file'; sub/link";
    const { stdout } = await pod().run(["sh", "-c", look], { Mounts });
    expect(stdout.toString().split("\n")).toEqual([
      ...[".", "./nothing", "./run.sh", "./sub", "./sub/big file", "./sub/empty", "./sub/link"],
      ...[
        keepsOwners ? "750 1000 2000" : "750 0 0",
        `${createHash("sha256").update(big).digest("hex")}  -`,
        "I run",
        "",
      ],
    ]);
  });

  it("CopyFile refuses paths that lead out and impossible requests in one line, and changes nothing", async () => {
    const tree = fresh();
    await copy(`${tree}/out`, "/etc", { file_mode: S_IFLNK });
    await copy(`${tree}/up`, "../../../..", { file_mode: S_IFLNK });
    await copy(`${tree}/dir`, "", { file_mode: S_IFDIR | 0o700 });
    await shell(`mkdir ${root}/${tree}/small && mount -t tmpfs -o size=64k tmpfs ${root}/${tree}/small`);
    const everything = () =>
      shell(
        `cd ${root}; find . -maxdepth 1 | sort; find ${tree} /etc -xdev -exec stat -c '%A %u %g %s %N' {} + | sort`,
      );
    const before = await everything();
    const refused: [attempt: () => Promise<unknown>, kind: string, line: RegExp][] = [
      [() => copy(`${tree}/../../../../../etc/x`, "x"), "invalid-argument", /contains "\.\."$/],
      [() => copy("", "x", { path: "/etc/x" }), "invalid-argument", /"\/etc\/x" is not below /],
      [() => copy(`${tree}/out/x`, "x"), "invalid-argument", /a link on the way to ".*\/out" leads outside$/],
      [() => copy(`${tree}/up/etc/x`, "x"), "invalid-argument", /a link on the way to ".*\/up\/etc" leads outside$/],
      [() => copy(`${tree}/dir`, "x"), "already-exists", /: a directory is in its place$/],
      [() => copy(`${tree}/new/x`, "x", { offset: -1 }), "invalid-argument", /: offset -1 is out of range$/],
      [() => copy(`${tree}/new/x`, "x", { file_size: -1 }), "invalid-argument", /: file_size -1 is out of range$/],
      [() => copy(`${tree}/new/x`, "xx", { file_size: 1 }), "invalid-argument", /exceed the file_size of 1$/],
      [
        () => copy(`${tree}/small/x`, "x", { file_size: 65_537 }),
        "resource-exhausted",
        /it has 65537 bytes, only \d+ are free$/,
      ],
    ];
    for (const [attempt, kind, line] of refused) {
      const error = await attempt().then(
        () => undefined,
        (reason: Error & { kind: string }) => reason,
      );
      expect(error?.message).toMatch(line);
      expect(error?.kind, error?.message).toBe(kind);
    }
    expect(await everything()).toBe(before);
    await shell(`umount ${root}/${tree}/small`);
  });
}
