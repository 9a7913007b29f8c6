import { expect, test } from "vitest";
import { writeAll } from "./write-files.ts";

/** Returns a file that accepts three bytes per write, and `room` in total. */
function smallFile(room: number) {
  const content = Buffer.alloc(16);
  const write = async (bytes: Uint8Array, offset: number, length: number, position: number) => {
    const count = Math.min(length, 3, room);
    if (count === 0) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    room -= count;
    content.set(bytes.subarray(offset, offset + count), position);
    return { bytesWritten: count, buffer: bytes };
  };
  return { content, file: { write } as unknown as Parameters<typeof writeAll>[0] };
}

test("writes the rest of a short write at its offset", async () => {
  const { content, file } = smallFile(100);
  await writeAll(file, Buffer.from("abcdefgh"), 4);
  expect(content.toString()).toBe("\0\0\0\0abcdefgh\0\0\0\0");
});

test("reports a disk that becomes full", async () => {
  await expect(writeAll(smallFile(5).file, Buffer.from("abcdefgh"), 0)).rejects.toThrow("ENOSPC");
});
