import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { makeReadable } from "../../../lib/testing/make-readable.ts";
import { debianArchitecture } from "../architecture.ts";

export interface FakePackage {
  readonly name: string;
  /** Defaults to 1.0. */
  readonly version?: string;
  readonly depends?: string;
  readonly preDepends?: string;
  readonly recommends?: string;
  readonly provides?: string;
  /** Path → content. */
  readonly files?: Readonly<Record<string, string>>;
}

/**
 * A Debian archive in a directory, and an apt that knows no other: it needs neither network nor root. The variables in
 * `env` make apt-get and apt-cache use it.
 */
export class AptRepository {
  readonly #folder: string;
  readonly env: Readonly<Record<string, string>>;

  constructor(folder: string) {
    this.#folder = folder;
    for (const name of ["archive", "state/lists/partial", "cache/archives/partial", "etc"]) {
      mkdirSync(join(folder, name), { recursive: true });
    }
    writeFileSync(join(folder, "etc/sources.list"), `deb [trusted=yes] file:${encodeURI(folder)}/archive ./\n`);
    writeFileSync(join(folder, "state/status"), "");
    const settings = {
      "Dir::State": join(folder, "state"),
      "Dir::State::status": join(folder, "state/status"),
      "Dir::Cache": join(folder, "cache"),
      "Dir::Etc": join(folder, "etc"),
      "APT::Sandbox::User": "",
      "APT::Architecture": debianArchitecture(),
      "APT::Architectures": debianArchitecture(),
    };
    const config = join(folder, "apt.conf");
    writeFileSync(
      config,
      Object.entries(settings)
        .map(([name, value]) => `${name} "${value}";\n`)
        .join(""),
    );
    this.env = { APT_CONFIG: config };
  }

  /** Replaces the archive's content. */
  publish(packages: readonly FakePackage[]): void {
    rmSync(join(this.#folder, "archive"), { recursive: true });
    mkdirSync(join(this.#folder, "archive"));
    const index = packages.map((one) => this.#put(one)).join("\n");
    writeFileSync(join(this.#folder, "archive/Packages"), index);
    execFileSync("apt-get", ["update", "-q"], { env: { ...process.env, ...this.env }, stdio: "pipe" });
  }

  /** Returns the path of a package's file in the archive. */
  file(name: string, version = "1.0"): string {
    return join(this.#folder, "archive", `${name}_${version}_all.deb`);
  }

  #put({ name, version = "1.0", files = {}, ...more }: FakePackage): string {
    const relations = [
      ["Depends", more.depends],
      ["Pre-Depends", more.preDepends],
      ["Recommends", more.recommends],
      ["Provides", more.provides],
    ].flatMap(([field, value]) => (value === undefined ? [] : [`${field}: ${value}\n`]));
    const control = [
      `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: a <a@b>\n`,
      ...relations,
      "Description: a\n",
    ].join("");
    const root = join(this.#folder, "package");
    for (const [path, content] of Object.entries({ ...files, "DEBIAN/control": control })) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content, { mode: path.includes("bin/") ? 0o755 : 0o644 });
    }
    makeReadable(root);
    const file = this.file(name, version);
    execFileSync("dpkg-deb", ["--root-owner-group", "-Zgzip", "--build", root, file], { stdio: "pipe" });
    rmSync(root, { recursive: true });
    const bytes = readFileSync(file);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    return `${control}Filename: ./${basename(file)}\nSize: ${bytes.length}\nSHA256: ${sha256}\n`;
  }
}
