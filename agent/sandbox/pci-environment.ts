const VARIABLE = /^PCIDEVICE_\w+=/;
/** A PCI address with its domain, as device plugins write it. */
const ADDRESS = /\b[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]\b/gi;

/**
 * Replaces the host's PCI addresses in PCIDEVICE_ variables (lists or JSON) with the guest's, by `pci`. Addresses that `pci` doesn't
 * have stay.
 */
export function withPciAddresses(env: readonly string[], pci: Readonly<Record<string, string>>): readonly string[] {
  if (Object.keys(pci).length === 0) return env;
  const guestOf = (host: string) => (Object.hasOwn(pci, host.toLowerCase()) ? pci[host.toLowerCase()] : undefined);
  return env.map((line) => (VARIABLE.test(line) ? line.replace(ADDRESS, (host) => guestOf(host) ?? host) : line));
}
