import { expect, test } from "vitest";
import { elfSections } from "../debian/elf.ts";
import { guestKernel } from "../debian/kernel-package.ts";
import { withoutSignature } from "./module-signature.ts";
import { resolveModules } from "./modules.ts";
import { trimModule } from "./trim-module.ts";

const { modules: directory } = await guestKernel();
const [module] = await resolveModules(directory, ["virtio_ring"]);
const content = module?.content ?? Buffer.alloc(0);

test("removes the type data of a Debian module too, and keeps every other section", () => {
  const before = elfSections(withoutSignature(content), "before");
  const after = elfSections(trimModule(content, "virtio_ring"), "after");
  const types = before.findIndex(({ name }) => name === ".BTF");
  expect(before[types]?.bytes.length).toBeGreaterThan(1000);
  expect(after[types]?.bytes.length).toBe(0);
  const bytes = (sections: typeof before) => sections.map(({ name, bytes: of }) => [name, of.toString("base64")]);
  expect(bytes(after).toSpliced(types, 1)).toEqual(bytes(before).toSpliced(types, 1));
  expect(after.every(({ offset }, index) => (offset - (before[index]?.offset ?? 0)) % 64 === 0)).toBe(true);
});

test("leaves a module without type data unchanged", () => {
  const once = trimModule(content, "virtio_ring");
  const bare = Buffer.from(once.toString("latin1").replace("\0.BTF\0", "\0.NON\0"), "latin1");
  expect(trimModule(bare, "bare")).toEqual(bare);
});
