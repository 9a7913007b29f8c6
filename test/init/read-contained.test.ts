import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readContained } from "../../agent/kernel/files/read-contained.ts";
import { describeFileServers } from "./testing/file-servers.ts";

const LIMIT = 4096;

describeFileServers("files that a container controls", (on) => {
  const at = (name: string) => join(on.directory, name);
  const read = (path: string, tail = false) =>
    on.servers.use(on.root, (files) => readContained(files, path, { limit: LIMIT, tail }));

  describe("a container's file", () => {
    test("is read completely up to the limit and refused beyond it", async () => {
      writeFileSync(at("file"), "x".repeat(LIMIT));
      expect((await read("/file")).length).toBe(LIMIT);
      writeFileSync(at("file"), "x".repeat(LIMIT + 1));
      await expect(read("/file")).rejects.toMatchObject({ code: "EFBIG" });
      writeFileSync(at("file"), `${"x".repeat(LIMIT)}end`);
      expect(String(await read("/file", true))).toBe(`${"x".repeat(LIMIT - 3)}end`);
    });

    test("is refused if it is larger than memory, but its tail can be read", async () => {
      writeFileSync(at("sparse"), "");
      truncateSync(at("sparse"), 2 ** 40);
      await expect(read("/sparse")).rejects.toMatchObject({ code: "EFBIG" });
      expect((await read("/sparse", true)).length).toBe(LIMIT);
    });

    test("never yields more than the limit while it grows and shrinks", async () => {
      writeFileSync(at("growing"), "");
      // One process, which is gone when its end is known: children of a shell would go on.
      const line = `for (;;) for (const size of [0, 64 << 20, 1]) require("node:fs").truncateSync("growing", size)`;
      const writer = spawn(process.execPath, ["-e", line], { cwd: on.directory, stdio: "ignore" });
      const ended = once(writer, "close");
      try {
        for (let count = 0; count < 300; count++) {
          const length = await read("/growing").then(
            (bytes) => bytes.length,
            (error: { code?: string }) => error.code,
          );
          if (typeof length === "number") expect(length).toBeLessThanOrEqual(LIMIT);
          else expect(length).toBe("EFBIG");
          expect((await read("/growing", true)).length).toBeLessThanOrEqual(LIMIT);
        }
      } finally {
        writer.kill("SIGKILL");
        await ended;
      }
    });

    test("is never reached through a link that leaves the root", async () => {
      mkdirSync(at("etc"));
      writeFileSync(at("etc/inside"), "inside");
      symlinkSync("/etc/inside", at("absolute"));
      symlinkSync("../../../../../etc/hostname", at("etc/out"));
      expect(String(await read("/absolute"))).toBe("inside");
      await expect(read("/etc/out")).rejects.toMatchObject({ code: "ENOENT" });
    });

    test("is refused if it is a fifo or a directory", async () => {
      execFileSync("mkfifo", [at("fifo")]);
      for (const path of ["/fifo", "/"]) await expect(read(path), path).rejects.toMatchObject({ code: "EINVAL" });
    });
  });

  test.each(["/proc/self/pagemap", "/proc/self/mem", "/sys/kernel/notes"])(
    "%s is refused because the kernel generates its content",
    async (path) => {
      const reading = on.servers.use({ container: "", path: "/" }, (files) =>
        readContained(files, path, { limit: LIMIT }),
      );
      await expect(reading).rejects.toThrow(/E(NOTSUP|LOOP)/);
    },
  );

  test("a read that is aborted rejects with the caller's reason", async () => {
    writeFileSync(at("file"), "x");
    const reading = on.servers.use(
      on.root,
      (files) => readContained(files, "/file", { limit: LIMIT }),
      AbortSignal.abort(new Error("enough")),
    );
    await expect(reading).rejects.toThrow("enough");
  });
});
