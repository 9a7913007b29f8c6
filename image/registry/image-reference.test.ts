import { expect, test } from "vitest";
import { quoted } from "../../lib/quoted.ts";
import { parseImageReference } from "./image-reference.ts";

const digest = `sha256:${"a".repeat(64)}`;

test.each([
  ["busybox", "registry-1.docker.io", "library/busybox", "latest"],
  ["docker.io/busybox:1.36", "registry-1.docker.io", "library/busybox", "1.36"],
  ["team/tool", "registry-1.docker.io", "team/tool", "latest"],
  ["quay.io/a/b-c__d.e:v1.2_x", "quay.io", "a/b-c__d.e", "v1.2_x"],
  ["localhost/a", "localhost", "a", "latest"],
  ["127.0.0.1:5000/a/b:1", "127.0.0.1:5000", "a/b", "1"],
  ["[::1]:5000/a", "[::1]:5000", "a", "latest"],
  [`host:5000/a@${digest}`, "host:5000", "a", digest],
  [`host.example/a:1@${digest}`, "host.example", "a", digest],
])("the reference %s is parsed", (text, registry, repository, reference) => {
  expect(parseImageReference(text)).toMatchObject({ text, registry, repository, reference });
});

test.each([
  "",
  "UPPER",
  "a b",
  "a/../b",
  "../a",
  "a//b",
  "a:",
  "a:b:c",
  "a@sha256:12",
  "a@b@c",
  "x.y/",
  "x.y/a?b",
  "x.y/a#b",
  "http://x.y/a",
  "user@x.y/a",
  "x.y:port/a",
  "-.y/a",
  "a:.b",
  `a/${"b".repeat(256)}`,
])("%j is refused by name", (text) => {
  expect(() => parseImageReference(text)).toThrow(`image ${quoted(text, 200)}: its `);
});
