const VARIABLE = /^PCIDEVICE_\w+=/;
/** With a domain, as device plugins write it. */
const ADDRESS = /\b[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]\b/gi;

/**
 * An environment whose PCIDEVICE_ variables, lists or JSON, have the guest's addresses of what has moved. Addresses that
 * nothing is known of stay.
 */
export function withPciAddresses(env: readonly string[], pci: Readonly<Record<string, string>>): readonly string[] {
  if (Object.keys(pci).length === 0) return env;
  const guestOf = (host: string) => (Object.hasOwn(pci, host.toLowerCase()) ? pci[host.toLowerCase()] : undefined);
  return env.map((line) => (VARIABLE.test(line) ? line.replace(ADDRESS, (host) => guestOf(host) ?? host) : line));
}
