/** Every view of the sample's page: its name, and the fragment of its address. */
export const SAMPLE_VIEWS: readonly { readonly name: string; readonly fragment: string }[] = [
  { name: "overview", fragment: "#/" },
  ...["usage", "boot", "memory", "calls", "ports", "logs", "events"].map((tab) => ({
    ...{ name: `guest-${tab}`, fragment: `#/guests/shop/${tab}` },
  })),
  ...["usage", "plan", "logs", "files", "terminal", "events"].map((tab) => ({
    ...{ name: `container-${tab}`, fragment: `#/guests/shop/containers/web/${tab}` },
  })),
  { name: "terminal", fragment: "#/guests/shop/containers/web/terminal/x-3fa94c1b" },
  { name: "templates", fragment: "#/templates" },
  { name: "reports", fragment: "#/reports" },
  { name: "report", fragment: "#/reports/guestd.json" },
  { name: "help", fragment: "#/help" },
];
