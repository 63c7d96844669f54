// What all modules share: elements, errors, and questions to the server.

export const $ = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function complain(error) {
  if (error?.name === "AbortError") return;
  $("error").textContent = error instanceof TypeError ? "The studio does not answer; is it still running?" : error.message;
  $("error").hidden = false;
  $("error").scrollIntoView({ block: "center" });
}

export function tried(action) {
  return async (...words) => {
    $("error").hidden = true;
    try {
      return await action(...words);
    } catch (error) {
      complain(error);
    }
  };
}

export async function ask(path, options) {
  const answer = await fetch(path, options);
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Error(told.error ?? `The studio failed (${answer.status}); its terminal says why.`);
}

export const get = async (path) => (await ask(path)).json();
export const post = async (path, body) => (await ask(path, { method: "POST", body: JSON.stringify(body) })).json();

export async function upload(kind, file, name) {
  const words = new URLSearchParams({ kind, name });
  return (await ask(`/api/upload?${words}`, { method: "POST", body: file })).json();
}

export const address = (path) => `/results/${path.split("/").map(encodeURIComponent).join("/")}`;
