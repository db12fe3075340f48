"""How a training set is put together out of real and added documents."""
