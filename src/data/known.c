/* known.c: the table of data sets that have a name.
 *
 * A row says what the files are called and what the classes mean; the format is IDX for all of them. */
#include "data/known.h"

static const char *const garments[] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                       "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

#define MNIST_FILES                                                                                                    \
    {                                                                                                                  \
        {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"}, { "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte" } \
    }

const sw_known_set sw_known_sets[] = {
    {.name = "fashion-mnist",
     .folder = "/usr/share/datasets/fashion-mnist",
     .hint = "install the Debian package dataset-fashion-mnist, or name the folder that has it",
     .files = MNIST_FILES,
     .class_names = garments,
     .class_count = 10},
    {.name = "mnist",
     .folder = "/usr/share/datasets/mnist",
     .hint = "name the folder that has it: data: {set: mnist, folder: …}",
     .files = MNIST_FILES,
     .class_names = digits,
     .class_count = 10},
};
const int sw_known_set_count = sizeof sw_known_sets / sizeof *sw_known_sets;
