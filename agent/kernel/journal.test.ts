import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openJournal } from "./journal.ts";

it("has all its memory before it is used, so that a disk that fills up later takes none of it", () => {
  const directory = mkdtempSync(join(tmpdir(), "guestd-journal-"));
  const path = join(directory, "journal");
  try {
    openJournal(path, (_fd, length) => new ArrayBuffer(length));
    const { size, blocks } = statSync(path);
    expect(blocks * 512).toBeGreaterThanOrEqual(size);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
