// Filters the cases of the report. Runs in a browser, inlined into the page.
const cases = [...document.querySelectorAll(".case")];
const boxes = [...document.querySelectorAll("nav input[type=checkbox]")];
const text = document.getElementById("text");
const shown = document.getElementById("shown");

function apply() {
  const allowed = new Set(boxes.filter((box) => box.checked).map((box) => `${box.name}=${box.value}`));
  const names = new Set(boxes.map((box) => box.name));
  const wanted = text.value.toLowerCase();
  let count = 0;
  for (const one of cases) {
    const isAllowed = [...names].every((name) => allowed.has(`${name}=${one.dataset[name]}`));
    const visible = isAllowed && one.querySelector(".name").textContent.toLowerCase().includes(wanted);
    one.hidden = !visible;
    if (visible) count++;
  }
  shown.textContent = `${count} of ${cases.length} cases`;
}

for (const box of boxes) box.addEventListener("change", apply);
text.addEventListener("input", apply);
apply();
