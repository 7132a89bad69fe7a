// SQL: Ctrl+Enter runs it.

const form = document.getElementById("ask");
form.querySelector("textarea").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
