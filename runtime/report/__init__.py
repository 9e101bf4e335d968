"""A run as a page to read, keep and send: `facts` says what there is to tell, `render` puts it into the templates."""
