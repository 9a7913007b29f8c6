import type { BlobStore } from "./blob-store.ts";

/** Wraps a layout so that its index lists one manifest only. */
export function pinned(store: BlobStore, digest: string): BlobStore {
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [{ digest }] }));
  return {
    size: async (name, declared) => (name === "index.json" ? index.length : store.size(name, declared)),
    async *read(name) {
      if (name === "index.json") yield index;
      else yield* store.read(name);
    },
    close: () => store.close(),
  };
}
