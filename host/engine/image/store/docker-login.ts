import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Login } from "../../../../image/registry/registry-client.ts";
import { RegistryError } from "../../../../image/registry/registry-error.ts";
import { isNotInPath } from "../../../../lib/not-in-path.ts";
import { isJsonObject, parseJson } from "../../../../lib/parse-json.ts";
import { reason } from "../../../../lib/reason.ts";

/** Names of Docker Hub in docker's configuration. */
const HUB = ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io"];
const HELPER_MS = 60_000;
const MAX_HELPER_ANSWER = 1 << 20;

type Json = Readonly<Record<string, unknown>>;

/**
 * Returns the login for a registry (host with port) that `docker login` stored: in config.json, or by the credential
 * helper that it names. Looks in the folder `DOCKER_CONFIG`, otherwise ~/.docker. Returns undefined if there is none.
 * Throws RegistryError.
 */
export async function dockerLogin(registry: string, directory = configFolder()): Promise<Login | undefined> {
  const path = join(directory, "config.json");
  const config = readConfig(path);
  const names = registry === "registry-1.docker.io" ? HUB : [registry, `https://${registry}`];
  const helpers = objectIn(config, "credHelpers");
  const own = names.map((name) => helpers[name]).find((each) => each !== undefined);
  const helper = own ?? config["credsStore"];
  const auths = objectIn(config, "auths");
  if (helper === undefined || helper === "") return storedLogin(auths, registry, names, path);
  // docker stores a login under one of these names and lists that name in `auths`.
  const listed = Object.keys(auths).find((key) => isFor(key, registry, names));
  const asked = own === undefined ? (listed ?? names[0]) : names.find((name) => helpers[name] !== undefined);
  return (await loginOf(helper, asked ?? registry, path)) ?? storedLogin(auths, registry, names, path);
}

function configFolder(): string {
  return process.env["DOCKER_CONFIG"] || join(homedir(), ".docker");
}

function readConfig(path: string): Json {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw refused(`read ${path}: ${reason(error)}`, error);
  }
  try {
    const value = parseJson(text, path);
    return isJsonObject(value) ? value : {};
  } catch (error) {
    throw refused(`${reason(error)}; correct the file, or set DOCKER_CONFIG to another folder`, error);
  }
}

function objectIn(config: Json, name: string): Json {
  const value = config[name];
  return isJsonObject(value) ? value : {};
}

/** True if a key of `auths`, which may be a URL, names this registry. */
function isFor(key: string, registry: string, names: readonly string[]): boolean {
  return names.includes(key) || key.replace(/^https?:\/\//, "").split("/", 1)[0] === registry;
}

function storedLogin(auths: Json, registry: string, names: readonly string[], path: string): Login | undefined {
  const key = Object.keys(auths).find((each) => isFor(each, registry, names));
  const entry = key === undefined ? undefined : auths[key];
  if (!isJsonObject(entry)) return undefined;
  if (typeof entry["identitytoken"] === "string" && entry["identitytoken"] !== "") throw identityToken(registry, path);
  const plain = typeof entry["auth"] === "string" ? Buffer.from(entry["auth"], "base64").toString("utf8") : "";
  const colon = plain.indexOf(":");
  if (colon < 1) return undefined;
  return { username: plain.slice(0, colon), password: plain.slice(colon + 1).replace(/\0+$/, "") };
}

/** Runs `docker-credential-NAME get` with the registry on stdin. It prints {"Username": …, "Secret": …}. */
async function loginOf(helper: unknown, registry: string, path: string): Promise<Login | undefined> {
  if (typeof helper !== "string" || !/^[\w.-]+$/.test(helper))
    throw refused(`${path}: ${JSON.stringify(helper)} is no name of a credential helper; correct the file`);
  const program = `docker-credential-${helper}`;
  const answer = await new Promise<string | undefined>((resolve, reject) => {
    const options = { timeout: HELPER_MS, maxBuffer: MAX_HELPER_ANSWER };
    const child = execFile(program, ["get"], options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const said = `${stdout}\n${stderr}`.trim().split("\n", 1)[0] ?? "";
      if (/credentials not found/i.test(said)) return resolve(undefined);
      const why = isNotInPath(program, error) ? "not in PATH; install it, or remove it from the file" : said;
      reject(refused(`${path}: credential helper ${program}: ${why || reason(error)}`, error));
    });
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(registry);
  });
  if (answer === undefined) return undefined;
  const { Username: username, Secret: password } = answerOf(answer, program);
  if (typeof username !== "string" || typeof password !== "string")
    throw refused(`credential helper ${program}: its answer has no Username and Secret`);
  if (username === "<token>") throw identityToken(registry, path);
  return { username, password };
}

function answerOf(text: string, program: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : {};
  } catch (error) {
    // The text holds a secret, so the message must not quote it.
    throw refused(`credential helper ${program}: its answer is not JSON`, error);
  }
}

function identityToken(registry: string, path: string): RegistryError {
  const what = "an identity token, which guestctl doesn't support; docker login with a password or access token";
  return refused(`${path}: registry ${registry} has ${what}`);
}

function refused(message: string, cause?: unknown): RegistryError {
  return new RegistryError("failed-precondition", message, { cause });
}
