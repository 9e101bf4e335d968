"""What a plan needs, looked for before anything is spent: keys, programs, toolchains, and a real answer of every model.

`findings` holds what a check says, `local` looks at this machine, `probes` asks the providers, `run` puts it together.
"""
