// Airflow shows this page in a sandboxed frame that may open nothing: links out are opened by the page around it.
// Without script everything can still be read, and the links can be copied.
(() => {
  let around = null;
  try {
    if (window.parent !== window) around = window.parent.document;
  } catch {
    around = null;
  }
  if (!around) return;
  const dark = around.documentElement.classList.contains("dark");
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  for (const link of document.querySelectorAll("a[data-out]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const out = around.createElement("a");
      out.href = link.href;
      out.target = "_blank";
      out.rel = "noopener";
      out.click();
    });
  }
})();
