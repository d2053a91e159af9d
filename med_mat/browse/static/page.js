// What the page does beyond links and forms: choices apply at once, and the split follows its form.

for (const field of document.querySelectorAll('[data-auto]'))
  field.addEventListener('change', () => field.form.requestSubmit())

// An address without empty fields can be read.
const address = (form) => {
  const given = [...new FormData(form)].filter(([, value]) => value !== '')
  return `${form.getAttribute('action')}?${new URLSearchParams(given)}`
}
for (const form of document.querySelectorAll('form'))
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    location.assign(address(form))
  })

const live = document.querySelector('form[data-live]')
if (live) {
  // One question at a time: while an answer is under way, a further change waits and is then asked for.
  let pause, asking = false, again = false
  const show = () => {
    const experiment = live.elements.experiment.value
    for (const label of live.querySelectorAll('[data-for]')) {
      label.hidden = !label.dataset.for.split(' ').includes(experiment)
      label.querySelector('input, select').disabled = label.hidden
    }
  }
  const ask = async () => {
    if (asking) { again = true; return }
    asking = true
    const wanted = address(live)
    try {
      const answer = await fetch(wanted, { headers: { accept: 'text/html' } })
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
      const made = page.querySelector('#made')
      if (!made) { location.assign(wanted); return }
      document.querySelector('#made').replaceChildren(...made.childNodes)
      history.replaceState(null, '', wanted)
    } catch {
      location.assign(wanted)
    }
    asking = false
    if (again) { again = false; ask() } else document.querySelector('#made').ariaBusy = address(live) !== wanted
  }
  live.addEventListener('input', () => {
    show()
    document.querySelector('#made').ariaBusy = 'true'
    clearTimeout(pause)
    pause = setTimeout(ask, 300)
  })
}
