import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { thisPlatform } from "../../image/platform.ts";
import { type LayerEntry, layoutEntries, packTar } from "../../image/write-layout.ts";
import type { Pod } from "./pod.ts";

/**
 * A registry in busybox shell: each request is for a file. Of a file with a ".stall" file beside it, it sends the first
 * half, then nothing.
 */
const SERVE = `#!/bin/sh
read -r method path rest
while read -r line && [ \${#line} -gt 1 ]; do :; done
file=/www$path
[ -f "$file" ] || { printf 'HTTP/1.1 404 No\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n'; exit; }
size=$(stat -c %s "$file")
printf 'HTTP/1.1 200 OK\\r\\nContent-Length: %s\\r\\nConnection: close\\r\\n\\r\\n' "$size"
[ -f "$file.stall" ] || exec cat "$file"
head -c $((size / 2)) "$file"
touch "$file.half"
sleep 1000
`;

export interface ImageRegistry {
  /** 127.0.0.1 in the guest. */
  readonly host: string;
  /** The layout's directory in the guest; the registry serves the same image as test/image:1. */
  readonly layout: string;
  /** Sets whether the last layer stalls half-way from now on. */
  stall(on: boolean): void;
  /** Returns true if half of the last layer was sent. */
  halfSent(): boolean;
  /** Removes the registry through a pod whose client is open. */
  close(pod: Pod): Promise<void>;
}

/** Starts a container of the pod that serves an image of two layers: busybox, then a change to it. */
export async function startImageRegistry(pod: Pod, port: number): Promise<ImageRegistry> {
  const { machine } = pod;
  const root = machine.rootfs(`registry-${Date.now().toString(36)}-${port}`);
  const onHost = machine.hostPath(root);
  const busybox = readFileSync(join(onHost, "bin/busybox"));
  const link = (name: string): LayerEntry => ({ name, type: "symlink", linkname: "busybox", mode: 0o777 });
  const layers = [
    [
      { name: "bin/busybox", content: busybox, mode: 0o4755 },
      ...["cat", "grep", "ls", "sh", "sleep", "stat"].map((name) => link(`bin/${name}`)),
      ...["dev", "proc", "sys"].map((name): LayerEntry => ({ name, type: "directory", mode: 0o755 })),
      { name: "etc/gone", content: "lower" },
      { name: "etc/owned", content: "lower", uid: 1000, gid: 100, mode: 0o640 },
    ],
    [
      { name: "etc/.wh.gone", content: "" },
      { name: "etc/hello", content: `upper ${"x".repeat(100_000)}` },
    ],
  ];
  const tars = await Promise.all(layers.map(packTar));
  const files = layoutEntries({ name: "test:1", platform: thisPlatform(), config: {}, layers: tars });
  const write = (path: string, content: string | Uint8Array, mode = 0o644) => {
    mkdirSync(dirname(join(onHost, path)), { recursive: true });
    writeFileSync(join(onHost, path), content, { mode });
  };
  let last = "";
  for (const { name, content = "" } of files) {
    write(`layout/${name}`, content);
    const hex = /^blobs\/sha256\/(.*)$/.exec(name)?.[1];
    if (hex === undefined) continue;
    write(`www/v2/test/image/blobs/sha256:${hex}`, content);
    const manifest = String(content);
    if (!manifest.includes("image.manifest.v1")) continue;
    write("www/v2/test/image/manifests/1", content);
    last = `www/v2/test/image/blobs/${JSON.parse(manifest).layers.at(-1).digest}`;
  }
  write("serve", SERVE, 0o755);
  const id = await pod.create(["nc", "-ll", "-p", String(port), "-e", "/serve"], {}, root);
  await pod.client.agent.startContainer({ container_id: id });
  return {
    host: `127.0.0.1:${port}`,
    layout: `${root}/layout`,
    stall: (on) => (on ? write(`${last}.stall`, "") : rmSync(join(onHost, `${last}.stall`))),
    halfSent: () => existsSync(join(onHost, `${last}.half`)),
    close: (remover) => remover.remove(id),
  };
}
