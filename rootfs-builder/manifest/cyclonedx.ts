import { createHash } from "node:crypto";
import type { Licence } from "../debian/copyright.ts";
import type { Manifest, ManifestFile, Source } from "./manifest.ts";

type Json = Readonly<Record<string, unknown>>;

/** Software that an SBOM describes, in CycloneDX's terms. */
interface Described {
  readonly type: "operating-system" | "application";
  readonly name: string;
}

const GUEST: Described = { type: "operating-system", name: "guestd guest" };

/**
 * Converts a manifest to CycloneDX 1.6: each source with its files, each file with its digest. The result has no time,
 * and its serial number is derived from its content, so that equal images have equal SBOMs.
 */
export function cyclonedx(manifest: Manifest, { type, name }: Described = GUEST): Json {
  const { version, sources } = manifest;
  const files = [...manifest.files, ...manifest.boot].filter(({ type }) => type === "file");
  const known = new Set(sources.map(({ id }) => id));
  const bySource = Map.groupBy(files, ({ from = "" }) => (known.has(from) ? from : ""));
  const body = {
    version: 1,
    metadata: {
      tools: { components: [{ type: "application", name: "guestd rootfs-builder", version }] },
      component: { type, "bom-ref": "guest", name, version },
    },
    components: [
      ...sources.map((source) => sourceComponent(source, bySource.get(source.id) ?? [])),
      ...(bySource.get("") ?? []).map(fileComponent),
    ],
    dependencies: [{ ref: "guest", dependsOn: [...known].sort() }, ...fileDependencies(files, sources)],
  };
  const schema = "http://cyclonedx.org/schema/bom-1.6.schema.json";
  return { $schema: schema, bomFormat: "CycloneDX", specVersion: "1.6", serialNumber: serialNumber(body), ...body };
}

/** Returns what each file is linked with, and what is built into it. */
function fileDependencies(files: readonly ManifestFile[], sources: readonly Source[]): readonly Json[] {
  const needs = new Map<string, string[]>();
  const note = (user: string, needed: string) => {
    const known = needs.get(user);
    if (known === undefined) needs.set(user, [needed]);
    else known.push(needed);
  };
  for (const { path, linkedBy = [] } of files) for (const user of linkedBy) note(user, fileRef(path));
  for (const { id, within = [] } of sources) for (const user of within) note(user, id);
  return files.flatMap(({ path }) => {
    const dependsOn = needs.get(path);
    return dependsOn === undefined ? [] : [{ ref: fileRef(path), dependsOn: dependsOn.sort() }];
  });
}

function sourceComponent(source: Source, files: readonly ManifestFile[]): Json {
  const { id, name, version, licences, purl, hash, madeFrom } = source;
  const type = id.startsWith("deb:linux-image")
    ? "operating-system"
    : id === "guestd" || id === "node"
      ? "application"
      : "library";
  return {
    type,
    "bom-ref": id,
    ...{ name, version, purl },
    ...(licences.length === 0 ? {} : { licenses: licences.map(licenceOf) }),
    ...(hash === undefined ? {} : { hashes: [hash] }),
    ...(madeFrom === undefined ? {} : { properties: [{ name: "guestd:source-package", value: madeFrom }] }),
    ...(files.length === 0 ? {} : { components: files.map(fileComponent) }),
  };
}

function licenceOf(licence: Licence): Json {
  return "expression" in licence ? licence : { license: licence };
}

function fileComponent({ path, sha256 = "", part, from = "", mode = "" }: ManifestFile): Json {
  const properties = Object.entries({ mode, part, from }).map(([name, value]) => ({ name: `guestd:${name}`, value }));
  return {
    type: "file",
    "bom-ref": fileRef(path),
    name: path,
    hashes: [{ alg: "SHA-256", content: sha256 }],
    properties,
  };
}

function fileRef(path: string): string {
  return `file:${path}`;
}

/** Returns a UUID of version 8, whose bits are application-defined. */
function serialNumber(body: unknown): string {
  const digest = createHash("sha256").update(JSON.stringify(body)).digest();
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x80, 6);
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = digest.toString("hex", 0, 16);
  return `urn:uuid:${hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")}`;
}
