import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { AgentError } from "../kernel/error.ts";
import { createSysDouble } from "../kernel/testing/sys-double.ts";
import { openVerity, type VerityTree, verityTarget } from "./verity.ts";

const HASH = "19a275f8a573b1b973d6704549cab16b9921bb4310ad48733edd74cece16b861";
const TREE: VerityTree = { rootHash: HASH, hashOffset: 40960, superblock: true };

/** A superblock as veritysetup 2.6.1 writes it, for 10 blocks with the salt 00112233. */
function superblock(change: (bytes: Buffer) => void = () => undefined): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write("verity\0\0\x01\0\0\0\x01\0\0\0gestd", "latin1");
  bytes.write("sha256", 32);
  bytes.write("00100000001000000a0000000000000004000000000000000011223300", 64, "hex");
  change(bytes);
  return bytes;
}

test("the table has the superblock's values, and the hashes begin after it", () => {
  expect(verityTarget("/dev/vdb1", TREE, superblock())).toEqual({
    type: "verity",
    sectors: 80,
    params: `1 /dev/vdb1 /dev/vdb1 4096 4096 10 11 sha256 ${HASH} 00112233`,
  });
});

test("without a superblock, all blocks before the hashes are checked with sha256", () => {
  const tree = { ...TREE, superblock: false, blockSize: 512, hashBlockSize: 1024 };
  expect(verityTarget("/dev/vdb", tree).params).toBe(`1 /dev/vdb /dev/vdb 512 1024 80 40 sha256 ${HASH} -`);
});

test.each<[string, Partial<VerityTree>, Buffer | undefined, string]>([
  ["another block size than the host's", { blockSize: 512 }, superblock(), "block size 4096, the host requested 512"],
  ["another salt than the host's", { salt: "00" }, superblock(), "salt 00112233, the host requested 00"],
  ["no superblock", {}, Buffer.alloc(512), "there is no superblock at the hash offset"],
  ["a superblock that is cut short", {}, superblock().subarray(0, 100), "there is no superblock"],
  ["another version", {}, superblock((b) => b.writeUInt32LE(2, 8)), "an unsupported version"],
  ["too long a salt", {}, superblock((b) => b.writeUInt16LE(300, 80)), "an unsupported version"],
  [
    "a weak hash",
    {},
    superblock((b) => b.write("md5\0\0\0\0", 32)),
    'hash algorithm "md5" is not supported, use sha256 or sha512',
  ],
  ["a space in the algorithm's name", {}, superblock((b) => b.write("sha256 x", 32)), "hash algorithm"],
  ["a root hash of another kind", { rootHash: "00" }, superblock(), "its root hash has 1 bytes, sha256 needs 32"],
  ["an odd block size", {}, superblock((b) => b.writeUInt32LE(1000, 64)), "unsupported block sizes 1000 and 4096"],
  [
    "more blocks than fit before the hashes",
    {},
    superblock((b) => b.writeUInt32LE(11, 72)),
    "11 blocks of 4096 bytes overlap the hashes",
  ],
  ["no blocks", {}, superblock((b) => b.writeUInt32LE(0, 72)), "0 blocks of 4096 bytes overlap the hashes"],
  ["hashes that begin within a block", { hashOffset: 41000 }, superblock(), "not a multiple of the hash block size"],
])("a hash tree with %s is refused", (_, change, block, why) => {
  expect(() => verityTarget("/dev/vdb", { ...TREE, ...change }, block)).toThrow(why);
});

test("the superblock is read at the host's hash offset", async () => {
  const directory = mkdtempSync(join(tmpdir(), "guestd-verity-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const disk = join(directory, "disk");
  writeFileSync(disk, Buffer.concat([Buffer.alloc(40960), superblock()]));
  const sys = createSysDouble();
  expect(await openVerity(sys, "layer", disk, TREE)).toBe("/dev/dm-0");
  expect(sys.calls).toEqual([["mapDevice", "layer", verityTarget(disk, TREE, superblock())]]);
});

test("the table has ten words, or there is none, whatever the disk holds", () => {
  const change = fc.record({ at: fc.nat(511), byte: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
      const block = superblock((bytes) => {
        for (const { at, byte } of changes) bytes.writeUInt8(byte, at);
      });
      try {
        const { params, sectors } = verityTarget("/dev/vdb", TREE, block);
        expect(params.split(/\s/)).toHaveLength(10);
        expect(sectors).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(AgentError);
      }
    }),
  );
});
