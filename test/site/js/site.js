/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Asks for each part of the page once more, as a reload does, and shows its
 * entity tag and whether the content had to be sent. */
"use strict";

const parts = ["index.html", "css/site.css", "js/site.js", "img/mark.png"];

/* The header alone is far smaller than what it says the content is. */
function wasSent(url) {
    const all = performance.getEntriesByName(url);
    const last = all[all.length - 1];

    if (!last || !last.transferSize) {
        return "the browser does not tell";
    }
    return last.transferSize < last.encodedBodySize
        ? "not modified: kept"
        : last.encodedBodySize + " octets sent";
}

function addRow(cells) {
    const row = document.querySelector("#resources tbody").insertRow();

    for (const text of cells) {
        row.insertCell().textContent = text;
    }
}

async function ask(part) {
    const url = new URL(part, document.baseURI).href;
    const answer = await fetch(url, { cache: "no-cache" });

    await answer.blob();
    addRow([part, answer.headers.get("ETag") || "none", wasSent(url)]);
}

async function askAll() {
    for (const part of parts) {
        await ask(part);
    }
}

askAll();
