import { isIP } from "node:net";
import { type Command, InvalidArgumentError } from "commander";
import type { RunOptions } from "../../engine/image/image-config.ts";
import { CliError } from "../cli-error.ts";

/** Docker's options for names that a container resolves. */
export interface NameFlags {
  /** Lines of /etc/hosts. */
  readonly addHost?: readonly string[];
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly dnsOption?: readonly string[];
}

/** Their texts have to fit into 64 KiB. */
const MAX_HOSTS = 200;
const MAX_WORDS = 32;
/** The most that the C libraries use. */
const MAX_SERVERS = 3;
const HOST = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$/;

export function withNameFlags(command: Command): Command {
  return command
    .option("--add-host <name:ip>", "add a line to /etc/hosts; repeatable", addHost)
    .option("--dns <ip>", "name server, instead of those of the guest's network; repeatable", nameServers)
    .option("--dns-search <domain>", "with --dns: domain of names without a dot; repeatable", domains)
    .option("--dns-option <option>", "with --dns: option of resolv.conf, such as ndots:2; repeatable", resolverOptions);
}

/** Maps the flags to options of a container. Throws CliError for settings of name servers without any. */
export function nameOptions({ addHost: hosts, dns, dnsSearch, dnsOption }: NameFlags): RunOptions {
  if (dns === undefined && dnsSearch !== undefined) throw new CliError("--dns-search: no name server; add --dns");
  if (dns === undefined && dnsOption !== undefined) throw new CliError("--dns-option: no name server; add --dns");
  const more = { search: dnsSearch, options: dnsOption };
  return { hosts, ...(dns === undefined ? {} : { resolver: { servers: dns, ...more } }) };
}

/** Parses "NAME:IP" or "NAME=IP" to a line of /etc/hosts, and appends it. */
function addHost(text: string, before: readonly string[] = []): readonly string[] {
  const [, name = "", bracketed, plain = ""] = /^([^:=]+)[:=](?:\[(.*)\]|(.*))$/.exec(text) ?? [];
  const address = bracketed ?? plain;
  if (!HOST.test(name) || !isAddress(address)) throw new InvalidArgumentError("Expected NAME:IP, such as db:10.0.0.2.");
  return appended(before, `${address} ${name}`, MAX_HOSTS);
}

function nameServers(text: string, before: readonly string[] = []): readonly string[] {
  if (!isAddress(text)) throw new InvalidArgumentError("Expected an IP address.");
  return appended(before, text, MAX_SERVERS);
}

function domains(text: string, before: readonly string[] = []): readonly string[] {
  if (!HOST.test(text) && text !== ".") throw new InvalidArgumentError("Expected a domain, such as example.com.");
  return appended(before, text, MAX_WORDS);
}

function resolverOptions(text: string, before: readonly string[] = []): readonly string[] {
  if (!/^[a-z][a-z0-9-]{0,31}(:\d{1,5})?$/.test(text)) {
    throw new InvalidArgumentError("Expected an option of resolv.conf(5), such as ndots:2.");
  }
  return appended(before, text, MAX_WORDS);
}

/** True for an address without a zone. */
function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes("%");
}

function appended(before: readonly string[], value: string, most: number): readonly string[] {
  if (before.length >= most) throw new InvalidArgumentError(`Expected at most ${most}.`);
  return [...before, value];
}
