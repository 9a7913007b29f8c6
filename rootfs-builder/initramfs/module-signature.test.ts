import { expect, test } from "vitest";
import { guestKernel } from "../debian/kernel-package.ts";
import { withoutSignature } from "./module-signature.ts";
import { resolveModules } from "./modules.ts";

test("removes the signature of a Debian module, and nothing else", async () => {
  const { modules: directory } = await guestKernel();
  const [module] = await resolveModules(directory, ["libcrc32c"]);
  const content = module?.content ?? Buffer.alloc(0);
  const plain = withoutSignature(content);
  expect(content.subarray(0, plain.length).equals(plain)).toBe(true);
  // PKCS#7 starts with a sequence whose two-byte length covers everything between the module and the trailer.
  const signature = content.subarray(plain.length, -40);
  expect(signature.readUInt16BE(0)).toBe(0x3082);
  expect(signature.readUInt16BE(2)).toBe(signature.length - 4);
  expect(withoutSignature(plain)).toBe(plain);
});

test.each([
  ["nothing", Buffer.alloc(0)],
  ["the magic alone", Buffer.from("~Module signature appended~\n")],
  [
    "a length that is longer than the module",
    Buffer.concat([Buffer.alloc(20, 0xff), Buffer.from("~Module signature appended~\n")]),
  ],
])("leaves %s unchanged", (_what, content) => {
  expect(withoutSignature(content)).toBe(content);
});
