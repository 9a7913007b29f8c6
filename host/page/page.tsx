import { linkState, me, message, wasOpen } from "./state/page-state.ts";
import { type Route, route, routeHref } from "./state/route.ts";
import { ContainerView } from "./views/container-view.tsx";
import { GuestView } from "./views/guest-view.tsx";
import { HelpView } from "./views/help-view.tsx";
import { Overview } from "./views/overview.tsx";
import { ReportsView } from "./views/reports-view.tsx";
import { TemplatesView } from "./views/templates-view.tsx";

const LINKS: readonly (readonly [string, Route, readonly Route["view"][]])[] = [
  ["Overview", { view: "overview" }, ["overview", "guest", "container"]],
  ["Templates", { view: "templates" }, ["templates"]],
  ["Reports", { view: "reports" }, ["reports"]],
  ["Help", { view: "help" }, ["help"]],
];

/** The whole page, which updates of guests don't draw again: navigation, one line of status, and a view. */
export function Page() {
  const { view } = route.value;
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the content
      </button>
      <header>
        <span class="name">guestd</span>
        <nav aria-label="views">
          {LINKS.map(([text, to, views]) => (
            <a key={text} href={routeHref(to)} aria-current={views.includes(view) ? "page" : undefined}>
              {text}
            </a>
          ))}
        </nav>
        <StatusLine />
        <span class="quiet mode">
          {me.value === undefined ? "" : `${me.value.version}${me.value.allowExec ? "" : ", read-only"}`}
        </span>
      </header>
      <main id="main" tabIndex={-1}>
        {linkState.value === "refused" ? <NoSession /> : <View />}
      </main>
    </>
  );
}

function View() {
  const now = route.value;
  switch (now.view) {
    case "overview":
      return <Overview />;
    case "guest":
      return <GuestView name={now.guest} tab={now.tab} />;
    case "container":
      return <ContainerView place={now} />;
    case "templates":
      return <TemplatesView />;
    case "reports":
      return <ReportsView report={now.report} />;
    case "help":
      return <HelpView />;
  }
}

/** One line: the connection while it is away, else the last action. */
function StatusLine() {
  const { text, isError } = message.value;
  const isAway = linkState.value === "waiting" || (linkState.value === "connecting" && wasOpen.value);
  return (
    <p role="status" class={`status ${isAway || isError ? "bad" : ""}`}>
      {isAway ? "The server does not answer: connecting again …" : text}
    </p>
  );
}

function NoSession() {
  return (
    <div class="view">
      <h1 tabIndex={-1}>No session</h1>
      <p>
        This page needs the link that <code>guestctl serve</code> prints. Each link works once; run the command again
        for another one.
      </p>
    </div>
  );
}
